"""The only place that knows MLflow: runs written to disk first, delivered by a process of their own, read back.

journal    what is said of a run, as lines in a folder: all that a training thread ever does
tracker    begins runs and starts the courier, the process that delivers them
delivery   one journal to one MLflow run, resumable at any point, each point once
store      where runs are kept: the address, the client, a local database made once
view       what makes runs comparable in the UI: columns, order, colours, links
runs       recorded runs, found and read
models     recorded models, fetched and registered
"""
