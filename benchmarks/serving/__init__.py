"""Live calls: latency, capacity, cost, accuracy, endurance, and what a user would pick instead."""
