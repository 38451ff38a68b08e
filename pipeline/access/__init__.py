"""Who asks, and what they may do: principals, the permission table, tokens, certificates. No gRPC here.

================  =====================================================================================
principal         who somebody is, known from the connection alone
permissions       roles, permissions and scopes: the table
authenticator     from what a connection shows to a principal, or a refusal
oidc, jwks        access tokens of people (JWT), and the keys that sign them
tokens            API tokens of scripts, revocations; their store
certificates      machines, by the certificate of their connection
grant             what a principal may do in one request
limits            how much of it in a second
exposure          whether a server asks at all
================  =====================================================================================
"""
