"""What an architecture promises, one file each, and what decodes its instructions. Knows bytes."""
