"""What an operator asks on the command line, beside ``make up`` and ``make demo``."""
