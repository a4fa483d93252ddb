"""Current and credit-card accounts: opened, booked on, frozen, closed."""
