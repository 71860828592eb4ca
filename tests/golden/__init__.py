"""Projects of every released form of the database, as those versions wrote them."""
