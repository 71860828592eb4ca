"""Are the labels good? Agreement, drift, rules, the report of the week."""
