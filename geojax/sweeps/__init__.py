"""Work units: what they are, where they run, what they gave, what they cost."""
