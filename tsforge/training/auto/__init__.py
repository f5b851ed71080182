"""The model that suits a table, found by a tournament within a time."""
