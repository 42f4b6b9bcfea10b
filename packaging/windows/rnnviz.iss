; The installer for Windows, made by Inno Setup 6 from the folder that PyInstaller makes:
;
;     iscc /DVersion=0.1.0 packaging\windows\rnnviz.iss
;
; packaging\windows\build.py does both.

#ifndef Version
  #error Say which version is made: /DVersion=0.1.0
#endif
#define Root "..\.."

[Setup]
AppId={{6E0C2A54-3F0B-4C58-9B7B-6C9B1C1D7A52}
AppName=rnnviz
AppVersion={#Version}
AppPublisher=rnnviz contributors
VersionInfoVersion={#Version}
DefaultDirName={autopf}\rnnviz
DefaultGroupName=rnnviz
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
ChangesAssociations=yes
ChangesEnvironment=yes
LicenseFile={#Root}\LICENSE
SetupIconFile={#Root}\build\windows\rnnviz.ico
UninstallDisplayIcon={app}\rnnvizw.exe
WizardStyle=modern
Compression=lzma2/max
SolidCompression=yes
OutputDir={#Root}\dist
OutputBaseFilename=rnnviz-{#Version}-windows-x64

[Languages]
Name: "english"; MessagesFile: "compiler:Default.isl"

[Tasks]
Name: "path"; Description: "Let the command line find rnnviz"
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked

[Files]
Source: "{#Root}\build\windows\bundle\rnnviz\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs
Source: "{#Root}\LICENSE"; DestDir: "{app}"; DestName: "LICENSE.txt"; Flags: ignoreversion

[Icons]
Name: "{autoprograms}\rnnviz"; Filename: "{app}\rnnvizw.exe"
Name: "{autodesktop}\rnnviz"; Filename: "{app}\rnnvizw.exe"; Tasks: desktopicon

[Registry]
Root: HKA; Subkey: "Software\Classes\.rnnviz"; ValueType: string; ValueData: "rnnviz.session"; Flags: uninsdeletevalue
Root: HKA; Subkey: "Software\Classes\rnnviz.session"; ValueType: string; ValueData: "rnnviz session"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\rnnviz.session\DefaultIcon"; ValueType: string; ValueData: "{app}\rnnvizw.exe,0"
Root: HKA; Subkey: "Software\Classes\rnnviz.session\shell\open\command"; ValueType: string; ValueData: """{app}\rnnvizw.exe"" ""%1"""
; Model files are often another program's: rnnviz is offered for them, and takes none over.
Root: HKA; Subkey: "Software\Classes\Applications\rnnvizw.exe"; ValueType: string; ValueName: "FriendlyAppName"; ValueData: "rnnviz"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\Applications\rnnvizw.exe\shell\open\command"; ValueType: string; ValueData: """{app}\rnnvizw.exe"" ""%1"""
Root: HKA; Subkey: "Software\Classes\Applications\rnnvizw.exe\SupportedTypes"; ValueType: string; ValueName: ".rnnviz"; ValueData: ""
; The endings of model files, one such line each, as build.py writes them.
#include "..\..\build\windows\model-files.iss"

[Run]
Filename: "{app}\rnnvizw.exe"; Description: "{cm:LaunchProgram,rnnviz}"; Flags: nowait postinstall skipifsilent

[Code]
const
  AllUsers = 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment';
  OneUser = 'Environment';

procedure FindPath(var Root: Integer; var Key: String);
begin
  if IsAdminInstallMode then
  begin
    Root := HKEY_LOCAL_MACHINE;
    Key := AllUsers;
  end
  else
  begin
    Root := HKEY_CURRENT_USER;
    Key := OneUser;
  end;
end;

procedure AddToPath(Folder: String);
var
  Root: Integer;
  Key, Path: String;
begin
  FindPath(Root, Key);
  if not RegQueryStringValue(Root, Key, 'Path', Path) then
    Path := '';
  if Pos(';' + Uppercase(Folder) + ';', ';' + Uppercase(Path) + ';') > 0 then
    exit;
  if (Path <> '') and (Path[Length(Path)] <> ';') then
    Path := Path + ';';
  RegWriteExpandStringValue(Root, Key, 'Path', Path + Folder);
end;

procedure RemoveFromPath(Folder: String);
var
  Root, Place: Integer;
  Key, Path: String;
begin
  FindPath(Root, Key);
  if not RegQueryStringValue(Root, Key, 'Path', Path) then
    exit;
  Place := Pos(';' + Uppercase(Folder) + ';', ';' + Uppercase(Path) + ';');
  if Place = 0 then
    exit;
  { The place counts from the semicolon that was put before the whole. }
  if Place > 1 then
    Delete(Path, Place - 1, Length(Folder) + 1)
  else
    Delete(Path, 1, Length(Folder) + 1);
  RegWriteExpandStringValue(Root, Key, 'Path', Path);
end;

procedure CurStepChanged(CurStep: TSetupStep);
begin
  if (CurStep = ssPostInstall) and WizardIsTaskSelected('path') then
    AddToPath(ExpandConstant('{app}'));
end;

procedure CurUninstallStepChanged(CurUninstallStep: TUninstallStep);
begin
  if CurUninstallStep = usPostUninstall then
    RemoveFromPath(ExpandConstant('{app}'));
end;
