"""The subcommands of the command line, one a file: `lr_find.py` here would be `fastgd lr-find`.

A subcommand's module has a docstring whose first line is its help, ``add_arguments(parser)``, and
``run(arguments)``, which returns the exit code. The modules that begin with an underscore are what several
subcommands share. Errors of the user's are raised as ValueError, TypeError or OSError.
"""
