"""Views: from the log into rows, in order, whatever fails."""
