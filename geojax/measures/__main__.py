"""`python -m geojax.measures` writes the table of docs/catalogue.md, and with `families` that of the README."""

import sys

from geojax.measures import family_table, markdown_table

sys.stdout.write(family_table() if sys.argv[1:] == ["families"] else markdown_table())
