"""The only readers, and the only pandas between a file and a panel."""
