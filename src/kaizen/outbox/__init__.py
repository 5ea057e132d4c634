"""What leaves the machine: a durable queue of redacted items and the engine that delivers it.

Crash model. An item is a row of `outbox`, a member of one of `batches`, or a row of `dead`, and moves between them in
one transaction. Ingest enqueues in the transaction that stores the event. Sealing fixes a batch's bytes and its key
before the first request; the bytes under a key never change. An item leaves only in the transaction that records a
2xx, a replay of one, or the reason why it is dead. So delivery is at least once, a hub that knows keys and identities
makes it exactly once, and a kill at any moment repeats work but loses none.

    enqueue    rows of the store -> redacted items
    seal       items -> a batch
    policy     what an answer means: pure, every decision of delivery is there
    client     one POST -> an answer
    deliver    the loop: lanes, slots, sleeps, sinks
"""
