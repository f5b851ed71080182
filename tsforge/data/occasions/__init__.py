"""Days that the calendar knows in advance: public holidays, and events from a file."""
