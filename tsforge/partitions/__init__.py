"""Tables in many files: forecast partition by partition, on all cores of a machine or of a cluster."""
