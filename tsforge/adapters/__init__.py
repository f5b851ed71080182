"""Models of the project in the forms that other packages ask for."""
