"""Many nodes: what they must agree on lies in one database, everything else stays where its call is."""
