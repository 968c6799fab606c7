"""Views: traces and results for people and for programs. Knows everything to its left."""
