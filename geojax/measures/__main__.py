"""`python -m geojax.measures` writes the table of measures, as the README has it."""

import sys

from geojax.measures import markdown_table

sys.stdout.write(markdown_table())
