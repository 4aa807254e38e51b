"""What tells the training_status function that something happened."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from findings import acknowledge
from settings import DeploymentSettings

SCHEDULE_INPUT = {"source": "lorastack.schedule", "detail-type": "Reconcile"}


class Events(Construct):
    """Three rules to one function, and a queue for what it could not take."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: DeploymentSettings,
        bucket: s3.IBucket,
        function: lambda_.Function,
    ) -> None:
        super().__init__(scope, construct_id)
        self._function = function
        self.queue = self._dead_letters()
        function.configure_async_invoke(
            max_event_age=cdk.Duration.hours(6),
            retry_attempts=2,
            on_failure=destinations.SqsDestination(self.queue),
        )
        self._rule("JobStateRule", _job_state(settings))
        self._rule("ProgressRule", _progress(bucket))
        self._schedule()

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

    def _rule(self, construct_id: str, pattern: events.EventPattern) -> None:
        rule = events.Rule(self, construct_id, event_pattern=pattern)
        rule.add_target(
            targets.LambdaFunction(
                self._function,
                dead_letter_queue=self.queue,
                max_event_age=cdk.Duration.hours(6),
                retry_attempts=10,
            )
        )

    def _schedule(self) -> None:
        rule = events.Rule(
            self,
            "ReconcileRule",
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
        )
        rule.add_target(
            targets.LambdaFunction(
                self._function,
                event=events.RuleTargetInput.from_object(SCHEDULE_INPUT),
                # The next minute brings another one.
                max_event_age=cdk.Duration.minutes(1),
                retry_attempts=0,
            )
        )


def _job_state(settings: DeploymentSettings) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.sagemaker"],
        detail_type=["SageMaker Training Job State Change"],
        detail={"TrainingJobName": [{"prefix": f"{settings.deployment}-"}]},
    )


def _progress(bucket: s3.IBucket) -> events.EventPattern:
    return events.EventPattern(
        source=["aws.s3"],
        detail_type=["Object Created"],
        detail={
            "bucket": {"name": [bucket.bucket_name]},
            "object": {"key": [{"suffix": "/checkpoints/progress.json"}]},
        },
    )
