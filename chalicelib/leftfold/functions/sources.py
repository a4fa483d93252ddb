"""The sources of the functions' events.

`chalice deploy` finds the bus of its stage in the stage's environment variables. CloudFormation
names the bus by the parameters of its template instead.
"""

import os

BUS = f"{os.environ.get('LEFTFOLD_TRUTH', 'leftfold')}-bus"
