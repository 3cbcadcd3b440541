"""Access to categories, preferences, policies, quiet hours, digests and topics."""

from riveredge_messaging.rules.models import Bucket, Category, Follower, Policy, Preference, QuietHours, Topic
from riveredge_sdk import FilterField, Repository


class Categories(Repository[Category]):
    """Tenants' own categories."""

    model = Category
    fields = (
        FilterField("key", "text", Category.key),
        FilterField("title", "text", Category.title),
        FilterField("kind", "text", Category.kind),
    )
    default_sort = "key"


class Policies(Repository[Policy]):
    """What tenants say about categories on channels."""

    model = Policy
    fields = (
        FilterField("category", "text", Policy.category),
        FilterField("channel", "text", Policy.channel),
        FilterField("rule", "text", Policy.rule),
    )
    default_sort = "category,channel"


class Preferences(Repository[Preference]):
    """What people have chosen."""

    model = Preference


class QuietTimes(Repository[QuietHours]):
    """When people are not to be disturbed."""

    model = QuietHours


class Buckets(Repository[Bucket]):
    """Digests that are being gathered, or were sent."""

    model = Bucket
    fields = (
        FilterField("recipient_id", "uuid", Bucket.recipient_id),
        FilterField("category", "text", Bucket.category),
        FilterField("status", "text", Bucket.status),
        FilterField("due_at", "datetime", Bucket.due_at),
    )


class Topics(Repository[Topic]):
    """What people follow."""

    model = Topic
    fields = (FilterField("key", "text", Topic.key), FilterField("title", "text", Topic.title))
    default_sort = "key"


class Followers(Repository[Follower]):
    """Who follows what."""

    model = Follower
    fields = (FilterField("user_id", "uuid", Follower.user_id), FilterField("topic_id", "uuid", Follower.topic_id))
