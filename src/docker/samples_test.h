// Documents as engines write them, shortened: of a Docker Engine 20.10 where nothing else is said.

#pragma once

#include <string>

namespace hale::docker {

inline const std::string version_sample =
    R"({"Platform":{"Name":""},"Version":"20.10.24+dfsg1","ApiVersion":"1.41","MinAPIVersion":"1.12","GitCommit":"5d6db84","GoVersion":"go1.19.8","Os":"linux","Arch":"amd64","KernelVersion":"6.1.0"})";

inline const std::string inspect_sample = R"({
"Id":"4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a4f5e6d7c8b9a4f5e","Created":"2026-11-21T10:00:00.123456789Z","Path":"/bin/web","Args":[],
"State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":4711,"ExitCode":0,"Error":"",
 "StartedAt":"2026-11-21T10:00:01.5Z","FinishedAt":"0001-01-01T00:00:00Z",
 "Health":{"Status":"unhealthy","FailingStreak":4,"Log":[{"Start":"2026-11-21T10:00:31.1+01:00","End":"2026-11-21T10:00:31.2+01:00","ExitCode":1,"Output":"wget: can't connect\nsecond line\n"}]}},
"Image":"sha256:aaaa","Name":"/web-1","RestartCount":3,
"HostConfig":{"NetworkMode":"shop","Memory":134217728},
"Config":{"Hostname":"4f5e","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Tty":false,"Image":"web:2","Labels":{"app":"web","hale.service":"shop"},"StopSignal":"SIGQUIT","StopTimeout":25,
 "Healthcheck":{"Test":["CMD-SHELL","wget -q localhost"],"Interval":5000000000,"Timeout":2000000000,"StartPeriod":10000000000,"Retries":3}},
"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"53/udp":null},
 "Networks":{"shop":{"Aliases":["web","4f5e"],"NetworkID":"net1","Gateway":"172.18.0.1","IPAddress":"172.18.0.7","GlobalIPv6Address":""}}}})";

inline const std::string image_sample = R"({"Id":"sha256:bbbb","RepoTags":["web:2","web:latest"],"RepoDigests":["web@sha256:cccc"],"Os":"linux","Architecture":"amd64","Size":4261502,
"Config":{"User":"www","ExposedPorts":{"8080/tcp":{}},"Entrypoint":["/bin/web"],"Cmd":["serve"],"Labels":{"v":"2"},"StopSignal":"SIGINT","Healthcheck":{"Test":["CMD","/bin/check"],"StartPeriod":30000000000}}})";

inline const std::string list_sample =
    R"json([{"Id":"c1","Names":["/web-1","/proxy/web"],"Image":"web:2","ImageID":"sha256:aaaa","Created":1795255200,"State":"running","Status":"Up 2 hours (healthy)","Ports":[{"IP":"0.0.0.0","PrivatePort":3000,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":3001,"Type":"tcp"}],"Labels":{"app":"web"}},
{"Id":"c2","Names":["/old"],"Image":"web:1","ImageID":"sha256:dddd","Created":1795255100,"State":"exited","Status":"Exited (137) 3 minutes ago","Labels":{}}])json";

inline const std::string die_sample =
    R"({"status":"die","id":"c1","from":"web:2","Type":"container","Action":"die","Actor":{"ID":"c1","Attributes":{"app":"web","exitCode":"137","image":"web:2","name":"web-1"}},"scope":"local","time":1795255201,"timeNano":1795255201123456789})";
inline const std::string health_sample =
    R"({"status":"health_status: unhealthy","id":"c1","from":"web:2","Type":"container","Action":"health_status: unhealthy","Actor":{"ID":"c1","Attributes":{"image":"web:2","name":"web-1"}},"scope":"local","time":1795255202,"timeNano":1795255202000000000})";

inline const std::string info_sample =
    R"({"ID":"X","Containers":7,"ContainersRunning":3,"Images":9,"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]],"NCPU":2,"DockerRootDir":"/var/lib/docker","MemTotal":8589934592,"Name":"node-1","ServerVersion":"20.10.24+dfsg1"})";
inline const std::string network_sample =
    R"({"Name":"shop","Id":"net1","Created":"2026-11-21T10:00:00Z","Scope":"local","Driver":"bridge","Internal":true,"Containers":{"c1":{"Name":"web-1","EndpointID":"e","IPv4Address":"172.18.0.7/16","IPv6Address":""}},"Labels":{"a":"b"}})";

}  // namespace hale::docker
