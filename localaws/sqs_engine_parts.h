/* What the files of sqs_engine.h share among themselves. */
#ifndef SLUICE_LOCALAWS_SQS_ENGINE_PARTS_H
#define SLUICE_LOCALAWS_SQS_ENGINE_PARTS_H

#include "localaws/sqs_engine.h"

/* The queue is to be settled. */
void sqs_engine_touch(struct sqs_engine *engine, struct sqs_queue *queue);
/* Takes a message out of its queue and frees it. */
void sqs_engine_drop_message(struct sqs_engine *engine, struct sqs_message *m);
/* Names of queues deleted a minute ago are free again. */
void sqs_engine_bury_tombstones(struct sqs_engine *engine, int64_t now_ms);

#endif
