"""How functions and constructors are compiled, and kept on disk."""
