"""Networks: tokens × backbone × head."""
