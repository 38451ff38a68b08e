"""Where articles, feedback and open questions are kept: any database that SQLAlchemy speaks to."""
