"""The sinks' tables and views as statements, made from the pipeline alone. Pure: nothing is executed here."""
