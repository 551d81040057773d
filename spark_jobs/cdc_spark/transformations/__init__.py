"""From bytes to rows: values, envelopes, versions, and the columns that jobs derive."""
