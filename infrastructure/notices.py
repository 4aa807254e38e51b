"""The queue of notices with what it wakes, and the topic that they are published to."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from events import SCHEDULE_INPUT
from findings import acknowledge
from permissions import allow
from settings import DeploymentSettings

# Four addresses at 3 s each, 10 s for the answer, and what comes before and after.
NOTIFIER_TIMEOUT = cdk.Duration.seconds(60)
VISIBILITY = cdk.Duration.minutes(2)
TRIES = 5
AT_ONCE = 20


class Notices(Construct):
    """One queue for what is to be told and delivered, and a topic for the owner of the stack."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=VISIBILITY,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self._dead_letters(), max_receive_count=TRIES
            ),
        )
        self.topic = self._topic() if settings.notice_topic else None

    @property
    def environment(self) -> dict[str, str]:
        """What a function must know to have something told."""
        return {"NOTICE_QUEUE_URL": self.queue.queue_url}

    @property
    def topic_environment(self) -> dict[str, str]:
        """What the notifier must know besides."""
        return {"NOTICE_TOPIC_ARN": self.topic.topic_arn} if self.topic else {}

    def grant_send(self, role: iam.Role) -> None:
        """Allows sending messages to the notifier."""
        allow(role, ["sqs:SendMessage"], [self.queue.queue_arn])

    def grant_publish(self, role: iam.Role) -> None:
        """Allows publishing to the topic, if there is one."""
        if not self.topic:
            return
        allow(role, ["sns:Publish"], [self.topic.topic_arn])
        if self._key:
            allow(role, ["kms:Decrypt", "kms:GenerateDataKey"], [self._key.key_arn])

    def wake(self, function: lambda_.Function) -> None:
        """Has the function called with each message, and every minute to look for what is due."""
        function.add_event_source(
            event_sources.SqsEventSource(
                self.queue,
                batch_size=1,  # one receiver that is slow keeps no other notice waiting
                max_concurrency=AT_ONCE,
                report_batch_item_failures=True,
            )
        )
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

    def _topic(self) -> sns.Topic:
        key = self._key or kms.Alias.from_alias_name(self, "Key", "alias/aws/sns")
        return sns.Topic(self, "Topic", enforce_ssl=True, master_key=key)
