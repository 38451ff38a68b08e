"""The agent's desk and the supervisor's wall, in a browser: a process of its own, a client of the public API.

======================  =====================================================================
settings                what an operator chooses
app                     the web application: routes, headers, life
auth                    who is at the screen: local users, a proxy, nobody on loopback; sessions
backend                 the server behind it, as each person reaches it
live                    live rows: folded from gRPC, merged, sent with credit over one socket a tab
pages                   everything that is not live
texts                   繁體中文 and English
======================  =====================================================================
"""
