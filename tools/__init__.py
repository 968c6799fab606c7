"""What tests the tests. Not a part of the package: knows its source as text only."""
