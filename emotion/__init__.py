"""How was it said? The room of vocal emotion and agitation; its engine is not part of this release."""
