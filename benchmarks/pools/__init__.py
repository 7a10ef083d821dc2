"""koo's pool beside those it has to beat: one function for each row of the table."""
