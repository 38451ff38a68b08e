"""What runs models for all calls: scheduler, voice detector, admission, second looks."""
