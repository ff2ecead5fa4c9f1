"""`headgate audit`: rows against topic against counters, in constant memory."""
