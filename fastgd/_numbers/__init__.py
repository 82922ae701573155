"""Arithmetic on single numbers, and random ones."""
