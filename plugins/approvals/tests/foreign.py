"""Documents as other designers write them, in their own shapes."""

from typing import Any

REACT_FLOW_11: dict[str, Any] = {
    "nodes": [
        {
            "id": "1",
            "type": "input",
            "position": {"x": 250, "y": 5},
            "data": {"label": "Leave"},
            "width": 150,
            "height": 40,
            "positionAbsolute": {"x": 250, "y": 5},
            "selected": False,
            "dragging": False,
        },
        {"id": "g", "type": "group", "position": {"x": 0, "y": 90}, "data": {}, "style": {"width": 400}},
        {"id": "2", "position": {"x": 20, "y": 20}, "data": {"label": "Boss"}, "parentNode": "g", "extent": "parent"},
        {"id": "3", "type": "output", "position": {"x": 250, "y": 300}, "data": {"label": "Done"}},
    ],
    "edges": [
        {"id": "reactflow__edge-1-2", "source": "1", "target": "2", "animated": True, "markerEnd": {"type": "arrow"}},
        {"id": "reactflow__edge-2-3", "source": "2", "sourceHandle": "a", "target": "3", "targetHandle": None},
    ],
    "viewport": {"x": 0, "y": 0, "zoom": 1},
}
REACT_FLOW_12: dict[str, Any] = {
    "nodes": [
        {"id": "s", "type": "start", "position": {"x": 0, "y": 0}, "data": {}, "measured": {"width": 1, "height": 1}},
        {"id": "if", "type": "condition", "position": {"x": 0, "y": 90}, "data": {"label": "Long?"}},
        {
            "id": "boss",
            "type": "approver",
            "position": {"x": 90, "y": 180},
            "data": {"mode": "all"},
            "parentId": "gone",
        },
        {"id": "e", "type": "end", "position": {"x": 0, "y": 270}, "data": {}},
    ],
    "edges": [
        {"id": "a", "source": "s", "target": "if"},
        {
            "id": "b",
            "source": "if",
            "target": "boss",
            "data": {"when": {"match": "all", "conditions": [{"field": "form.days", "op": "gt", "value": 3}]}},
        },
        {"id": "c", "source": "if", "target": "e"},
        {"id": "d", "source": "boss", "target": "e"},
        {"id": "x", "source": "boss", "target": "nowhere"},
    ],
}
PROFLOW_VIEW: dict[str, Any] = {
    "nodes": [
        {"id": "a1", "label": "1", "data": {"title": "Request", "logo": "https://example.com/a.png"}},
        {"id": "b 1", "data": {"title": "First API", "description": "Asks"}, "select": "SELECT"},
        {"id": "c1", "type": "BasicNodeGroup", "data": [{"id": "a5", "data": {"title": "Inner"}}]},
    ],
    "edges": [{"id": "a1-b1", "source": "a1", "target": "b 1"}, {"source": "b 1", "target": "c1", "type": "radius"}],
}
PROFLOW_EDITOR: dict[str, Any] = {
    "nodes": {
        "a1": {
            "id": "a1",
            "type": "StringNode",
            "position": {"x": 0, "y": 100},
            "data": {"id": "a1", "type": "StringNode", "meta": {"title": "String"}, "content": {"mode": "all"}},
        },
        "a2": {"id": "a2", "type": "StringNode", "position": {"x": 0, "y": 300}, "data": {"title": "Second"}},
    },
    "edges": {"a1-a2": {"id": "a1-a2", "source": "a1", "target": "a2", "data": {"label": "123"}}},
}
WORKFLOW_KIT: dict[str, Any] = {
    "name": "Blog post",
    "actions": [
        {"id": "1", "kind": "add_toc", "name": "Add a table of contents", "inputs": {"depth": 2}},
        {"id": "2", "kind": "wait_for_approval", "name": "Apply changes after approval"},
        {"id": "3", "kind": "apply_changes"},
    ],
    "edges": [
        {"from": "$source", "to": "1"},
        {"from": "1", "to": "2", "conditional": {"type": "if", "ref": "!ref($.output)"}},
        {"from": "1", "to": "3", "conditional": {"type": "else", "ref": "!ref($.output)"}},
    ],
}
FLOWLONG: dict[str, Any] = {
    "key": "leave",
    "name": "请假",
    "nodeConfig": {
        "nodeName": "发起人",
        "nodeKey": "k1",
        "type": 0,
        "childNode": {
            "nodeName": "天数",
            "nodeKey": "k2",
            "type": 4,
            "conditionNodes": [
                {
                    "nodeName": "长期",
                    "type": 3,
                    "priorityLevel": 1,
                    "conditionList": [
                        [{"label": "天数", "field": "day", "operator": ">", "value": "7"}],
                        [{"label": "事由", "field": "why", "operator": "include", "value": "病"}],
                    ],
                    "childNode": {
                        "nodeName": "会签",
                        "nodeKey": "k3",
                        "type": 1,
                        "setType": 1,
                        "nodeAssigneeList": [
                            {"id": "u1", "name": "何敏", "weight": 40},
                            {"id": "u2", "name": "何秀英", "weight": 60},
                        ],
                        "examineMode": 4,
                        "passWeight": 50,
                        "approveSelf": 3,
                        "allowTransfer": False,
                        "termAuto": True,
                        "term": 24,
                        "termMode": 1,
                        "rejectStrategy": 1,
                    },
                },
                {"nodeName": "短期", "type": 3, "priorityLevel": 2, "conditionList": []},
            ],
            "childNode": {
                "nodeName": "并行",
                "nodeKey": "k4",
                "type": 8,
                "parallelNodes": [
                    {"nodeName": "一", "priorityLevel": 1, "childNode": {"nodeName": "主管", "type": 1, "setType": 2}},
                    {"nodeName": "二", "priorityLevel": 2, "childNode": {"nodeName": "触发", "type": 7}},
                ],
                "childNode": {
                    "nodeName": "抄送",
                    "type": 2,
                    "nodeUserList": [{"id": "u3", "name": "人事"}],
                    "childNode": {"nodeName": "结束", "type": -1},
                },
            },
        },
    },
}
RUOYI: dict[str, Any] = {
    "id": "StartUserNode",
    "type": 10,
    "name": "发起人",
    "fieldsPermission": [{"field": "day", "title": "天数", "permission": "2"}],
    "childNode": {
        "id": "Activity_boss",
        "type": 11,
        "name": "部门负责人",
        "candidateStrategy": 37,
        "candidateParam": "2",
        "approveType": 1,
        "approveMethod": 2,
        "approveRatio": 60,
        "rejectHandler": {"type": 2, "returnNodeId": "StartUserNode"},
        "timeoutHandler": {"enable": True, "type": 1, "timeDuration": "PT6H", "maxRemindCount": 3},
        "assignEmptyHandler": {"type": 4},
        "assignStartUserHandlerType": 2,
        "signEnable": True,
        "childNode": {
            "id": "Gateway_1",
            "type": 51,
            "name": "分支",
            "conditionNodes": [
                {
                    "id": "Flow_1",
                    "type": 50,
                    "name": "长",
                    "conditionSetting": {
                        "conditionType": 2,
                        "conditionGroups": {
                            "and": True,
                            "conditions": [
                                {"and": True, "rules": [{"opCode": ">", "leftSide": "day", "rightSide": "3"}]}
                            ],
                        },
                    },
                    "childNode": {
                        "id": "Activity_role",
                        "type": 11,
                        "name": "角色",
                        "candidateStrategy": 10,
                        "candidateParam": "1,2",
                        "approveMethod": 4,
                    },
                },
                {
                    "id": "Flow_2",
                    "type": 50,
                    "name": "特别",
                    "conditionSetting": {"conditionType": 1, "conditionExpression": "${day == 1}"},
                    "childNode": {"id": "Router", "type": 54, "name": "路由"},
                },
                {"id": "Flow_3", "type": 50, "name": "其它", "conditionSetting": {"defaultFlow": True}},
            ],
            "childNode": {
                "id": "Delay_1",
                "type": 14,
                "name": "等待",
                "delaySetting": {"delayType": 1, "delayTime": "PT1H"},
                "childNode": {"id": "EndEvent", "type": 1, "name": "结束"},
            },
        },
    },
}
