"""The checks of types that tests run with: an integer stands for a float, as the language has it (PEP 484)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
