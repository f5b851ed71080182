"""The only place that knows MLflow: runs written to disk first, delivered by a process of their own, read back.

journal       a run as lines in a folder: all that a training thread ever writes
tracker       begins runs and starts the courier
courier       the process that delivers journals beside a fit
delivery      one journal to one MLflow run, resumable at any point, each point once
store         where runs are kept: the address, the client, a local database made once
runs          recorded runs, looked up and read
registry      recorded models: written, registered, and fetched by their addresses
view          what makes runs comparable in the UI: columns, order, colours, links
ui_server     MLflow's own server for as long as somebody looks at it
recording     what is recorded of a fit and of a backtest
provenance    where a result was made: versions, hardware, commit
reproduction  a recorded run, run again and compared
export        a model directory as an MLflow model
serving       what MLflow loads from an export, and its scoring server
"""
