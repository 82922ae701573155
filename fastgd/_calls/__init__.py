"""How verbs are called: from compiled code, with which checks there, and with which states."""
