"""A trained model as a thing one has: kept in a folder, loaded, used to predict, and explained."""
