"""The only palette and canvas, and the pictures of forecasts, trainings and explanations."""
