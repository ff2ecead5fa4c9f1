"""What waits for a person after a gateway's end: leases whose drain is stopped, and the way on.

May import what lies below the errands, and no other errand.
"""
