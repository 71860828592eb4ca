"""The class panel of the Label view: rows, rules, votes, and the card of the shot."""
