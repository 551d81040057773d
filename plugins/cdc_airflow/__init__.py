"""Everything that speaks Airflow: hooks, operators, sensors, triggers, notifications."""
