"""
Speak Amazon Cognito's user-pool protocol, as far as logging in with a password needs it. Pure: no I/O, no clock.

`endpoints` knows where to send, `protocol` what, `challenges` what Cognito may ask in between, `shapes` what comes
back, `errors` what a refusal means, and `jwt` how long a token lives.
"""
