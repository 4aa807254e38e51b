"""The queue of the asset worker, and what brings its messages and its schedule to the function."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from events import SCHEDULE_INPUT
from findings import acknowledge
from permissions import allow

WORKER_TIMEOUT = cdk.Duration.minutes(15)  # the most that Lambda gives
# A little more than the function's own: Lambda refuses a queue whose messages come back sooner.
VISIBILITY = cdk.Duration.minutes(16)
# An image of hundreds of megabytes goes back to the system when it is closed: in Pillow's smaller
# blocks the allocator keeps it for each thread (measured: 2.9 GB instead of 0.75).
# https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
DECODER_ENVIRONMENT = {"PILLOW_BLOCK_SIZE": "256m"}
TRIES = 3
AT_ONCE = 10


class Assets(Construct):
    """One queue for all long work on datasets and models, and one for what failed thrice."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = self._dead_letters()
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=VISIBILITY,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=TRIES),
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a function must know to send a message."""
        return {"ASSET_QUEUE_URL": self.queue.queue_url}

    def grant_send(self, role: iam.Role) -> None:
        """Allows sending messages to the worker."""
        allow(role, ["sqs:SendMessage"], [self.queue.queue_arn])

    def wake(self, function: lambda_.Function) -> None:
        """Has the function called with each message, and every minute to look for what got lost."""
        function.add_event_source(
            event_sources.SqsEventSource(
                self.queue,
                batch_size=1,  # one may take its 15 minutes
                max_concurrency=AT_ONCE,
                report_batch_item_failures=True,
            )
        )
        self._schedule(function)

    def receive_arrivals(self, bucket: s3.IBucket) -> None:
        """Has S3 tell the worker of each model file that arrives in a workspace's inbox."""
        rule = events.Rule(self, "ArrivalRule", event_pattern=_arrival(bucket))
        rule.add_target(
            targets.SqsQueue(
                self.queue,
                dead_letter_queue=self.dead_letters,
                max_event_age=cdk.Duration.hours(6),
                retry_attempts=10,
            )
        )

    def _dead_letters(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        acknowledge(queue, "AwsSolutions-SQS3", "It is the dead-letter queue itself.")
        return queue

    def _schedule(self, function: lambda_.Function) -> None:
        rule = events.Rule(
            self, "ReconcileRule", schedule=events.Schedule.rate(cdk.Duration.minutes(1))
        )
        rule.add_target(
            targets.LambdaFunction(
                function,
                event=events.RuleTargetInput.from_object(SCHEDULE_INPUT),
                # The next minute brings another one.
                max_event_age=cdk.Duration.minutes(1),
                retry_attempts=0,
            )
        )


def _arrival(bucket: s3.IBucket) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.s3"],
        detail_type=["Object Created"],
        detail={
            "bucket": {"name": [bucket.bucket_name]},
            "object": {"key": [{"wildcard": "*/inbox/*.safetensors"}]},
        },
    )
