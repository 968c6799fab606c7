"""From what people have to what is checked: spec files, and a first spec. Knows protocols."""
