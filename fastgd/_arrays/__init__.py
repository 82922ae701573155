"""How compiled code reads, cuts and looks through arrays."""
