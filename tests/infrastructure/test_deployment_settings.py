"""What can be set, and what is said when it is set wrongly."""

import json

import pytest


@pytest.fixture
def load():
    """Loads settings from a CDK context."""
    import aws_cdk as cdk

    from settings import load_settings

    return lambda context: load_settings(cdk.App(context=context).node)


@pytest.fixture
def refused(load):
    """The sentence that a wrong setting is refused with."""
    from problems import DeploymentError

    def sentence(settings: object) -> str:
        with pytest.raises(DeploymentError) as caught:
            load({"lorastack": settings})
        return str(caught.value)

    return sentence


def test_nothing_has_to_be_set(load):
    settings = load({})

    assert settings.deployment == "lorastack"
    assert settings.retention == "retain"
    assert settings.console_origins == ("*",)
    assert settings.training_image_uri is None


def test_a_single_setting_of_the_command_line_overrides_the_object(load):
    settings = load(
        {
            "lorastack": {"deployment": "first", "volume_size_gb": 50},
            "lorastack:deployment": "second",
            "lorastack:subnet_ids": '["subnet-0a1b2c3d"]',
            "lorastack:security_group_ids": '["sg-0a1b2c3d"]',
            "lorastack:max_active_trainings": "7",
        }
    )

    assert settings.deployment == "second"
    assert settings.volume_size_gb == 50
    assert settings.subnet_ids == ("subnet-0a1b2c3d",)
    assert settings.max_active_trainings == 7


def test_the_object_may_come_as_text_from_the_command_line(load):
    settings = load({"lorastack": json.dumps({"deployment": "second", "tags": {"team": "art"}})})

    assert (settings.deployment, settings.tags) == ("second", {"team": "art"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deployment", "my-deployment"),
        ("deployment", "a" * 16),
        ("deployment", ""),
        ("account", "1234"),
        ("region", "europe"),
        ("default_instance_type", "g5.xlarge"),
        ("default_max_runtime_minutes", 0),
        ("default_max_runtime_minutes", 40_321),
        ("volume_size_gb", "much"),
        ("volume_size_gb", 0),
        ("max_active_trainings", 0),
        ("max_gpu_hours_per_month", -1),
        ("max_usd_per_month", "much"),
        ("max_stored_gb", -0.5),
        ("audit_days", 0),
        ("subnet_ids", ["vpc-0a1b2c3d"]),
        ("subnet_ids", "subnet-0a1b2c3d"),
        ("security_group_ids", ["sg-0a1b2c3d"] * 6),
        ("kms_key_arn", "alias/mine"),
        ("tags", {"team!": "art"}),
        ("tags", ["team"]),
        ("training_prices", {"g5.xlarge": 1.4}),
        ("training_prices", {"ml.g5.xlarge": -1}),
        ("training_prices", {"ml.g5.xlarge": "much"}),
        ("console_origins", []),
        ("console_origins", ["https://lora.example.org/page"]),
        ("training_image_uri", "kohya:latest"),
        ("training_image_uri", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/kohya"),
        ("retention", "snapshot"),
        ("log_level", "debug"),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence_with_its_name_and_the_remedy(refused, name, value):
    sentence = refused({name: value})

    assert sentence.startswith(f'The setting "{name}" under "lorastack" in cdk.json has the value')
    assert ": it must be " in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_an_unknown_setting_is_told_with_the_nearest_name(refused):
    assert refused({"volume_size": 50}) == (
        'There is no setting "volume_size" under "lorastack" in cdk.json, '
        'but there is "volume_size_gb".'
    )


def test_an_unknown_setting_of_the_command_line_is_told_too(load):
    from problems import DeploymentError

    with pytest.raises(DeploymentError, match=r'no setting "deploment".*"deployment"'):
        load({"lorastack:deploment": "second"})


def test_a_setting_like_no_other_is_told_with_all_names(refused):
    assert "there are deployment, account, region," in refused({"zzz": 1})


def test_subnets_without_security_groups_are_refused(refused):
    sentence = refused({"subnet_ids": ["subnet-0a1b2c3d"]})

    assert "subnet_ids and security_group_ids go together" in sentence


def test_tags_that_aws_keeps_for_itself_are_refused(refused):
    assert "aws:" in refused({"tags": {"aws:team": "art"}})


@pytest.mark.parametrize("value", ["yes", ["deployment"], 3])
def test_settings_that_are_no_object_are_refused(refused, value):
    assert "must be a JSON object" in refused(value)


def test_every_setting_says_what_it_must_be():
    from settings import DeploymentSettings

    assert all(field.description for field in DeploymentSettings.model_fields.values())


@pytest.mark.parametrize(
    "prefixes",
    [
        {"acme": ["s3://files/models"]},
        {"acme": ["s3://files/*/"]},
        {"acme": ["files/models/"]},
        {"Acme": ["s3://files/models/"]},
        {"acme": "s3://files/"},
    ],
)
def test_prefixes_to_import_from_are_whole_folders_by_workspace(refused, prefixes):
    assert "each ending in a slash" in refused({"import_prefixes": prefixes})


@pytest.mark.parametrize("name", ["", "a b", "hf_*", "x" * 600])
def test_the_secret_for_downloads_is_named(refused, name):
    assert "the name of a secret" in refused({"download_secret_name": name})
